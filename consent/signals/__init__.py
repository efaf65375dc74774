"""What browsers, banners, files and mails say about consent, heard so that it fails closed: words for the ledger."""
