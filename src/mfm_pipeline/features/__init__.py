"""Arrays in, arrays out: align, clean, segment, pad, scale. Nothing here knows a file."""
