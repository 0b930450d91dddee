"""Programs of others, as measurements need them: fixed, so that only ours can change."""
