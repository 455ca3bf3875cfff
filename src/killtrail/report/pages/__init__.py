"""What a person reads of each kind of answer, in order; how it is laid out is left to a renderer."""
