"""Numbers in, numbers out: bulk filling, leximin, prices, exact linear algebra. None of them knows a policy."""
