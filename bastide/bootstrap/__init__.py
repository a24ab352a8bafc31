"""What a real account needs before the first `pulumi up`: state bucket and key, deploy role, quotas, DNS zone.

Each part is looked at first and made only where it is missing, so that every command can be run again. Names
are chosen so that the deploy role's own rights, which end at the stack's prefix, never reach them."""
