"""`ganzhi demo`: a small province on one computer."""
