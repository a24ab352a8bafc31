"""Pure core of Bastide: settings, catalogues, planner, routes, costs and names; no Pulumi, no network."""
