"""Attribution methods: one module for each idea of which pixels count."""
