"""The journal room: what a run did, written so that a kill loses nothing and a change is noticed."""
