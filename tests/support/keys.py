"""The keys of the tests' databases."""

import base64

from billing.crypto.keyring import KeyRing

DATA_KEY = f"test:{base64.b64encode(b'k' * 32).decode()}"
OTHER_KEY = f"other:{base64.b64encode(b'o' * 32).decode()}"
RING = KeyRing.of([DATA_KEY])
