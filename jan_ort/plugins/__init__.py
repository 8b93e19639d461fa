"""The host of backend plugins: finding them, choosing one, and keeping their failures apart."""
