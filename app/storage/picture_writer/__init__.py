"""Puts pictures on disk, by a process of its own when many arrive together.

A picture takes a dozen system calls to be safe on disk, and after each of them a thread waits for the
interpreter's lock, which the event loop holds. Where pictures arrive by the dozen, that makes 15 ms for each,
and slows the event loop down as well. A process has a lock of its own.
"""
