"""What Kindred knows of Kafka: a broker of its own on this machine, its topics, and how Spark reads them."""
