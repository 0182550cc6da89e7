"""Training dynamics: a training looked at along the way, and traces of what was learnt."""
