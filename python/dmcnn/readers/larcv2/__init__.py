"""LArCV2 and LArCV1 ROOT files, read without ROOT or LArCV."""
