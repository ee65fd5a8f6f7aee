"""The commands of the reference application, one module each: ``replay``, ``trade`` and others."""
