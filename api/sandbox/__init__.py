"""Invented people behind the real HTTP application, without Spark, a lake or a JVM: for an application's tests."""
