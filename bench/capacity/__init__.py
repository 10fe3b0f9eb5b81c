"""How many users a deployment serves: costs of one action each, a model of many, and a simulation of them."""
