"""What a rehearsal showed: the figures (`model`), how they are reckoned (`figures`), and three ways to show them."""
