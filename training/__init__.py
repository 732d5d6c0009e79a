"""How the bundled model and its dictionaries were made: ``make bundled``. Not part of the package."""
