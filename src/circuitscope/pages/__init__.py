"""What a person reads: pictures, words, pages and exports, all made from saved results. Nothing here loads torch."""
