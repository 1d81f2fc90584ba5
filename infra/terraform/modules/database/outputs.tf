output "server" { value = { name = google_sql_database_instance.this.name, address = google_sql_database_instance.this.private_ip_address } }
