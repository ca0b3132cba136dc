"""Mail: what SendGrid, Mailgun and Amazon SES tell of the mail that was sent by them."""
