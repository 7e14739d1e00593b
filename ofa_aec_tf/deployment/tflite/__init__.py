"""TFLite files: conversion, metadata, checks and running."""
