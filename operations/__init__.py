"""What an engineer does by hand to a running platform: look into the dead letters and send them again."""
