"""The inventory: a small web application that Ringfence protects in its examples and tests."""
