"""Where models come from, behind one seam: a package that carries a model, the Hub, a folder."""
