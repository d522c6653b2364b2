"""The ideas behind the variants, run and measured: shapes, vanishing gradients, gates."""
