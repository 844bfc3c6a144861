"""The checks of a class list, one file each: `WHAT` says what it finds, `findings(listed)` finds it."""
