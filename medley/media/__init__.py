"""Media: the values that backends see, and their way from and to bytes."""
