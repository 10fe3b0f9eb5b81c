"""HTTP: parse, authorise, call, render. One file a resource."""
