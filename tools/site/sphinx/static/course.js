// What the theme does not do.
