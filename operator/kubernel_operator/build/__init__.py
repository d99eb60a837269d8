"""The bodies of the objects that the operator creates. Pure: keys and times are arguments."""
