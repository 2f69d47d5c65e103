"""What all unit tests stand on."""

from __future__ import annotations

import signal

# Under nohup, or in the background of a script, signals are ignored, and whoever is started inherits that. With a handler in
# the place of "ignored" they still do nothing here, and a shell under test starts as one on a node does.
for _number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, lambda *_: None)
