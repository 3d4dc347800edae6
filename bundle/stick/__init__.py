"""Build time's side of the stick: the commands `write`, `update` and `delta`. What they do on the stick is `appliance/carrying`'s."""
