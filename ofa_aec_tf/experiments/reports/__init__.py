"""Tables, figures and statistics over seeds."""
