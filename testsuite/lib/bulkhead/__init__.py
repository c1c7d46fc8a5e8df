"""What the runner, the tests and the build share: archives, disk images, machines, TAP."""
