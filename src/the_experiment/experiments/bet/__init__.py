"""The bet: tuned on one branch of a conditional only, does a model keep the other?"""
