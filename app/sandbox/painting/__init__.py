"""How the sandbox paints: a canvas, palettes, places, subjects, patterns and collages."""
