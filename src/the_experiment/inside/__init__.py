"""Looking inside a model and breaking it: named sites, interventions, and maps of what they do."""
