"""Pictures: taken home when they are finished, and handed out."""

from app.services.images.service import ImageFileMissingError, ImageService, StoredImage

__all__ = ["ImageFileMissingError", "ImageService", "StoredImage"]
