"""One Kedro dataset a file format: how bytes become arrays. No decisions are taken here.

Imported by name only when asked for: a process that reads frames needs no PyTorch.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
