"""The control plane: /api/*, one blueprint a resource."""
