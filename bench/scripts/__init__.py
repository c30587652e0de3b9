"""Peers that are libraries, as the few lines a person would write; their arguments are LIST and WIDTH."""
