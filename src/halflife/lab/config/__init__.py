"""What a study is asked for: settings, optimizers, grids, and the problem or training in the user's own file."""
