"""What one part of the course alone needs; nothing in the core imports from here."""
