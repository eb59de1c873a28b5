"""How a dump lies on disk: one contract, one file per format. Nothing else knows whether a dump is a file or not."""
