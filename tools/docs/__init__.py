"""Makes the parts of docs/ that the program itself knows: `make docs`."""
