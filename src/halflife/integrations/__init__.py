"""halflife's optimizers behind other libraries' settings: one library, one module, imported by whoever uses it."""
