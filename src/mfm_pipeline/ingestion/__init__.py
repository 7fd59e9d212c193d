"""From the files of a corpus, whatever their form, to its splits."""
