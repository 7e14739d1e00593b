"""Tables of clips, events and classes, as people write them."""
