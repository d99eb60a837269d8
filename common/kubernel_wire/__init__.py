"""Both protocols between a kernel's pod and the outside: ``docs/protocols.md``. Messages and their signatures."""
