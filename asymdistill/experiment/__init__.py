"""An experiment: what is trained and measured under one set of settings, each result computed once and stored."""
